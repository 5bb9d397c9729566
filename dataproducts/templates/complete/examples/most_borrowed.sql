-- In which municipalities is most borrowed?
SELECT municipality, SUM(loans) AS loans
FROM {{ product_name/borrowed }}
GROUP BY municipality
ORDER BY loans DESC, municipality
