-- Hvor mange enheter er det av hver organisasjonsform, og hvor mange av dem er i Merverdiavgiftsregisteret?
SELECT
  former.kode,
  former.beskrivelse AS organisasjonsform,
  COUNT(*) AS enheter,
  COUNTIF(enheter.registrert_i_mvaregisteret) AS i_mvaregisteret,
  ROUND(100 * COUNTIF(enheter.registrert_i_mvaregisteret) / COUNT(*), 1) AS prosent
FROM {{ enhetsregisteret/enheter }} AS enheter
JOIN {{ enhetsregisteret/organisasjonsformer }} AS former ON former.kode = enheter.organisasjonsform_kode
GROUP BY former.kode, former.beskrivelse
ORDER BY enheter DESC, former.kode
LIMIT 10
