-- Bevegelse og saldo per konto og måned, slik regnskapet sto da dagen var over.
WITH bevegelser AS (
  SELECT
    periode,
    kontonummer,
    SUM(IF(belop > 0, belop, 0)) AS debet,
    SUM(IF(belop < 0, -belop, 0)) AS kredit,
    SUM(belop) AS bevegelse,
    COUNT(*) AS linjer
  FROM {{ posteringer }}
  GROUP BY periode, kontonummer
)
SELECT
  b.periode,
  b.kontonummer,
  konto.navn AS konto,
  konto.kontotype,
  CAST(b.debet AS NUMERIC(18, 2)) AS debet,
  CAST(b.kredit AS NUMERIC(18, 2)) AS kredit,
  CAST(b.bevegelse AS NUMERIC(18, 2)) AS bevegelse,
  CAST(SUM(b.bevegelse) OVER (PARTITION BY b.kontonummer ORDER BY b.periode) AS NUMERIC(18, 2)) AS saldo,
  b.linjer
FROM bevegelser AS b
JOIN {{ kontoplan }} AS konto ON konto.kontonummer = b.kontonummer
