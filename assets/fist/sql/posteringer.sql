-- Hver bilagslinje med det som gjelder for hele bilaget: periode, dato og art. Uten navn og uten leverandør.
SELECT
  linje.bilagsnummer,
  linje.linjenummer,
  bilag.periode,
  bilag.bilagsdato,
  bilag.art,
  bilag.gjelder_bilag,
  linje.kontonummer,
  linje.kostnadssted,
  linje.belop
FROM {{ bilagslinjer }} AS linje
JOIN {{ bilag }} AS bilag ON bilag.bilagsnummer = linje.bilagsnummer
