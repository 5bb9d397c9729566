-- How many members borrowed how many books in each municipality; where it is fewer than three members, the figures are hidden.
SELECT
  DATE(@partition) AS day,
  member.municipality,
  COUNT(DISTINCT loan.member) AS members,
  COUNT(*) AS loans
FROM {{ loans }} AS loan
JOIN {{ members }} AS member ON member.member = loan.member
GROUP BY member.municipality
