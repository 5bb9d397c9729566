"""What stands in for the systems that members and loans come from: a client takes its place, or `source=dp.Database(...)`."""

PLACES = ["Nordby", "Vestly", "Vestly", "Sundby", "Sundby", "Sundby"]
TITLES = ["Sult", "Markens grøde", "Et dukkehjem"]


def members_of(day: str) -> list[dict]:
    """Twelve members; the last one moves as the days pass."""
    moved = PLACES[int(day[-2:]) % len(PLACES)]
    found = [{"id": n, "name": f"Member {n}", "address": {"municipality": PLACES[n % len(PLACES)]}} for n in range(1, 12)]
    return [*found, {"id": 12, "name": "Member 12", "address": {"municipality": moved}}]


def loans_of(day: str) -> list[dict]:
    """Every member borrows a book a day, and some of them two."""
    number = int(day.replace("-", "")) * 100
    members = [*range(1, 13), *range(1, 13, 3)]
    return [{"id": number + n, "member": member, "title": TITLES[n % len(TITLES)]} for n, member in enumerate(members)]
