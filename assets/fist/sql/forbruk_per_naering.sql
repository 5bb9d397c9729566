-- Hva virksomheten har kjøpt for, per måned og leverandørens næring (to siffer). Der det er færre enn tre leverandører, er beløpet skjult.
SELECT
  bilag.periode,
  COALESCE(SUBSTR(enhet.naeringskode1_kode, 1, 2), 'ukjent') AS naering,
  COUNT(DISTINCT bilag.leverandornummer) AS leverandorer,
  CAST(SUM(linje.belop) AS NUMERIC(18, 2)) AS belop
FROM {{ bilag }} AS bilag
JOIN {{ bilagslinjer }} AS linje ON linje.bilagsnummer = bilag.bilagsnummer
JOIN {{ leverandorer }} AS leverandor ON leverandor.leverandornummer = bilag.leverandornummer
LEFT JOIN {{ enhetsregisteret/enheter }} AS enhet ON enhet.organisasjonsnummer = leverandor.organisasjonsnummer
WHERE linje.kostnadssted IS NOT NULL
GROUP BY 1, 2
