-- Hvilke næringer kjøper virksomheten mest av? Det som er skjult fordi det er for få leverandører, er talt for seg.
SELECT
  naering,
  SUM(belop) AS belop,
  COUNTIF(belop IS NOT NULL) AS maaneder,
  COUNTIF(belop IS NULL) AS skjulte_maaneder
FROM {{ fist/forbruk_per_naering }}
GROUP BY naering
ORDER BY belop DESC, naering
LIMIT 10
