-- Kostnadsstedene med navnet på det de hører under, og om det kan føres på dem den dagen.
SELECT
  sted.kostnadssted,
  sted.navn,
  COALESCE(over.kostnadssted, sted.kostnadssted) AS hovedsted,
  COALESCE(over.navn, sted.navn) AS hovedsted_navn,
  sted.gyldig_fra <= DATE(@partition) AND COALESCE(sted.gyldig_til >= DATE(@partition), TRUE) AS apent
FROM {{ kostnadssteder }} AS sted
LEFT JOIN {{ kostnadssteder }} AS over ON over.kostnadssted = sted.overordnet
