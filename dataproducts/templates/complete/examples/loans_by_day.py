"""How many books are borrowed each day?"""

import matplotlib.pyplot as plt

import dataproducts as dp

borrowed = dp.read("product_name/borrowed")
by_day = borrowed.groupby("day")["loans"].sum()

figure, axes = plt.subplots(figsize=(8, 3))
axes.bar([str(day) for day in by_day.index], list(by_day.astype(int)), color="#0067c5")
axes.set_title("Books borrowed each day", loc="left")
axes.spines[["top", "right"]].set_visible(False)
