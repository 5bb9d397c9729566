-- Hvor er de ti største avvikene fra budsjettet forrige måned, og på hvilken konto?
SELECT
  avvik.kostnadssted,
  sted.navn AS sted,
  avvik.kontonummer,
  konto.navn AS konto,
  avvik.budsjett,
  avvik.faktisk,
  avvik.avvik
FROM {{ fist/budsjett_mot_faktisk }} AS avvik
JOIN {{ fist/kontoplan }} AS konto ON konto.kontonummer = avvik.kontonummer
JOIN {{ fist/dim_kostnadssted }} AS sted ON sted.kostnadssted = avvik.kostnadssted
WHERE avvik.periode = (
  SELECT MAX(foer.periode)
  FROM {{ fist/budsjett_mot_faktisk }} AS foer
  WHERE foer.periode < (SELECT MAX(ny.periode) FROM {{ fist/budsjett_mot_faktisk }} AS ny WHERE ny.faktisk <> 0)
)
ORDER BY ABS(avvik.avvik) DESC, avvik.kostnadssted, avvik.kontonummer
LIMIT 10
