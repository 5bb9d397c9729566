-- Budsjett og regnskap side om side per måned, konto og kostnadssted, slik begge sto da dagen var over. Bare drift, ikke balansen.
WITH faktisk AS (
  SELECT periode, kontonummer, kostnadssted, SUM(belop) AS belop
  FROM {{ posteringer }}
  WHERE kostnadssted IS NOT NULL
  GROUP BY periode, kontonummer, kostnadssted
)
SELECT
  COALESCE(f.periode, b.periode) AS periode,
  COALESCE(f.kontonummer, b.kontonummer) AS kontonummer,
  COALESCE(f.kostnadssted, b.kostnadssted) AS kostnadssted,
  CAST(COALESCE(f.belop, 0) AS NUMERIC(18, 2)) AS faktisk,
  CAST(COALESCE(b.belop, 0) AS NUMERIC(18, 2)) AS budsjett,
  CAST(COALESCE(f.belop, 0) - COALESCE(b.belop, 0) AS NUMERIC(18, 2)) AS avvik
FROM faktisk AS f
FULL OUTER JOIN {{ budsjett }} AS b
  ON b.periode = f.periode AND b.kontonummer = f.kontonummer AND b.kostnadssted = f.kostnadssted
