-- De ti næringene med flest aktive annonser den nyeste dagen, av datasettet arbeidsplassen/stillinger_per_naering
SELECT
  naeringskode,
  MIN(naeringskode_beskrivelse) AS naering,
  SUM(antall_annonser) AS annonser,
  SUM(antall_stillinger) AS stillinger
FROM arbeidsplassen.stillinger_per_naering
WHERE dag = (SELECT MAX(dag) FROM arbeidsplassen.stillinger_per_naering)
GROUP BY naeringskode
ORDER BY annonser DESC, naeringskode
LIMIT 10
