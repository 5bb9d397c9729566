"""Answers a search: hits in stages, facet counts, what was meant; within a time limit, in a handful of statements.

The stages are apart by construction, not by weight: each is a match of its own, read in the order of rank, and a later one is only read
when the earlier ones have not filled the page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataproducts.catalog.search import analysis, cursors, engines
from dataproducts.catalog.search import combinations as combinations_of
from dataproducts.catalog.search import facets as facets_of
from dataproducts.catalog.search.documents import FACETS, facet_sets, least_browse_rank, least_number
from dataproducts.catalog.search.explaining import Explanation, Matched
from dataproducts.catalog.search.familiar import look_up
from dataproducts.catalog.search.matching import (
    ALL_DOCUMENTS,
    COLUMNS,
    EVERYWHERE,
    FIELDS,
    KEYWORDS,
    NAME,
    TITLE,
    Expression,
    Held,
    Token,
    Without,
    every,
    facet_token,
    inflected_tokens,
    name_tokens,
    some,
)
from dataproducts.catalog.search.query import MAX_WORDS, asked, literal, parse, refused
from dataproducts.catalog.search.spelling import candidates, is_doubtful, nearest
from dataproducts.errors import BadRequest

if TYPE_CHECKING:
    from dataproducts.catalog.search.combinations import Numbers

BUDGET = 0.05  # seconds a search may ask the database for, after which it shows what it has
MAX_COUNTED = 5_000  # hits that are counted; beyond it a total says so
COUNTED_OF_MANY = 1_000  # hits that are counted where the words are so common that there are likely more than can be counted
MAX_SORTED = 5_000  # hits that are put in another order than that of relevance, the most relevant ones
MAX_LIMIT = 100
_LEAST_SECONDS = 0.005
_KIND_COUNTED = 200  # hits that are counted of each kind where there are too many in all: the page says that there are more
_CLASSIFIED = 60  # hits up to which all are read
_FEW = 3  # hits up to which a misspelled word is worth a question
_KINDS = (
    "product dataset column version contract port team person concept theme keyword example dashboard source run entry".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class SearchRequest:
    """What is asked for. `facets`: facet -> values, any of which will do. `cursor`: the `next` of the page before.

    `sort`: "relevance" (without text: best standing first), "title" or "updated". `reasons`: fields that a hit tells of at most, of those
    it was found in. Raises BadRequest for a sort or limit that is none.
    """

    text: str = ""
    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sort: str = "relevance"
    limit: int = 20
    cursor: str | None = None
    reasons: int = len(FIELDS)
    budget_seconds: float = field(default_factory=lambda: BUDGET)

    def __post_init__(self) -> None:
        if self.sort not in ("relevance", "title", "updated"):
            raise BadRequest(f"results cannot be sorted by {self.sort!r}; sort by relevance, title or updated")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise BadRequest(f"a page cannot hold {self.limit} results; ask for 1 to {MAX_LIMIT}")


@dataclass(frozen=True)
class Hit:
    """One result: its stage (1 exact name .. 4 description, 5 after correcting the spelling), the words met in each field, its card."""

    id: str
    kind: str
    stage: int
    matched: Matched
    card: Mapping[str, Any]


@dataclass(frozen=True)
class SearchPage:
    """One page. `facets`: facet -> (value, documents, chosen). `understood`: the query as it was read, in its own syntax.

    `total_is_capped`: there are more than `total`. `facets_are_capped`: there may be more than facet counts say, which happens also where
    what is chosen leaves few. `is_partial`: the time was up before all was found. `each`: where nothing has all of several words, those
    that something has.
    """

    hits: list[Hit]
    total: int
    total_is_capped: bool
    facets: dict[str, list[facets_of.Value]]
    did_you_mean: str | None
    next: str | None
    understood: str
    is_partial: bool = False
    facets_are_capped: bool = False
    each: tuple[str, ...] = ()


def search(connection: sa.Connection, request: SearchRequest) -> SearchPage:
    """Answer a search. Any text has an answer; raises BadRequest for a cursor that is none."""
    return _Search(connection, request).answer()


class _Search:
    def __init__(self, connection: sa.Connection, request: SearchRequest) -> None:
        self.connection = connection
        self.request = request
        self.engine = engines.of(connection)
        self.facets = facets_of.chosen(request.facets)
        self.combinations = combinations_of.combinations()
        self.deadline = time.perf_counter() + request.budget_seconds
        self.is_partial = False
        self.query = parse(request.text)
        self._demands: dict[tuple[int, bool], Expression] = {}  # of the query
        self.name = ""  # what all that is asked for would be as one name
        self.corrected = False
        self.most = MAX_COUNTED  # hits that are counted
        self.near: Numbers | None = None  # hits of all steps but the last, in no order; one more than few where they are many
        self.nearest: dict[str, str] = {}  # words that are known, to those that may be misspelled

    def answer(self) -> SearchPage:
        """In four statements at most: what is known of the words, counts and what may have been meant, facets, rows."""
        self._look_up()
        place = self._place()
        did_you_mean = None
        if self.corrected:
            self._found([])
            self._correct(self._corrections())
        page = self._page(place)
        if place is None and not self.query.is_empty and not self.is_partial and page.total <= _FEW:
            found = self._corrections(rare_too=page.total > 0)
            if found and not (page.hits and page.hits[0].stage == 1):
                did_you_mean = str(self.query.corrected(found))
                if not page.total:
                    asked_for = self.query
                    self._correct(found)
                    page, uncorrected = self._page(None), page
                    if not page.hits:  # no better: what was asked for stays so
                        page, did_you_mean, self.query = uncorrected, None, asked_for
        each = tuple(word for word in self.query.words if self.familiar.documents.get(word, 0)) if not page.total else ()
        each = each if len(self.query.words) > 1 else ()
        return replace(page, did_you_mean=did_you_mean, understood=str(self.query), is_partial=self.is_partial, each=each)

    # the query

    def _look_up(self) -> None:
        plain = literal(self.request.text)
        name = analysis.identity(self.request.text)
        has_signs = self.query != plain  # a name may contain what is read as one
        self.familiar = look_up(
            self.connection, (*self.query.words, *plain.words)[: 2 * MAX_WORDS], self.query.begun, name if has_signs and name else None
        )
        if self.familiar.is_name:
            self.query = plain
        self.name = name if self.query == plain else self.query.name

    def _doubtful(self) -> dict[str, int]:
        """The words that may be misspelled, and how many documents have each."""
        known, alone = self.familiar, len(self.query.words) == 1 and not self.facets and not self.query.excluded
        counts = {word: known.documents.get(word, 0) for word in self.query.words}
        return {word: many for word, many in counts.items() if is_doubtful(word, many) and not (known.begun(word) and (many or alone))}

    def _corrections(self, rare_too: bool = False) -> dict[str, str]:
        """The nearest words to those that are not known, as the last statement that counted has found them."""
        known = self.familiar
        meant = {word: one for word, one in self.nearest.items() if not known.documents.get(word, 0)}
        return {word: one for word, one in self.nearest.items() if not known.begun(word)} if rare_too else meant

    def _correct(self, found: dict[str, str]) -> None:
        self.query = self.query.corrected(found)
        self._demands = {}
        self.corrected = True
        self.nearest = {}
        self.name = self.query.name

    # one page

    def _page(self, place: tuple[cursors.Key, ...] | None) -> SearchPage:
        counted, rows = self._counted_and_read(place)
        full = len(rows) > self.request.limit
        rows = rows[: self.request.limit]
        explanation = Explanation(self.query, self.familiar)
        hits = [self._hit(row, explanation) for row in rows]
        following = cursors.written(self._question(), self._key(rows[-1])) if full else None
        capped = counted.capped or self.is_partial
        uncertain = counted.facets_capped or self.is_partial
        return SearchPage(hits, max(counted.total, len(hits)), capped, counted.facets, None, following, "", facets_are_capped=uncertain)

    def _hit(self, row: Any, explanation: Explanation) -> Hit:
        matched = explanation.of(row, row.get("held"), self.request.reasons) if not self.query.is_empty else ()
        step = row["step"]
        if step < 2:
            matched = (("name", (self.name,)), *matched)
        stage = 5 if self.corrected else _STAGES[step]
        return Hit(row["id"], row["kind"], stage, matched, json.loads(row["card"]))

    # relevance: steps in order

    def _steps(self) -> list[Expression]:
        """What a hit of each step has to meet, strictest first; those of a step are not looked for in a later one (_EARLIER)."""
        names = name_tokens(self.name, analysis.loose_identity(self.name)) if self.name else ("", "")
        return [
            Token(names[0] or _NO_TOKEN),
            Token(names[1] or _NO_TOKEN),
            some([Token(token) for token in inflected_tokens(self.name)]) if self.name in self.query.words else Token(_NO_TOKEN),
            self._in(TITLE, literally=True),
            self._in(TITLE | COLUMNS, literally=True),
            self._in(TITLE),
            self._in(TITLE | COLUMNS),
            self._in(TITLE | COLUMNS | KEYWORDS),
            self._in(EVERYWHERE),
        ]

    def _in(self, fields: int, *, literally: bool = False) -> Expression:
        """What is asked for, in some of the fields; put together once, since several statements need it."""
        made = self._demands.get((fields, literally))
        if made is None:
            made = self._demands[fields, literally] = asked(self.query, fields, None if literally else self.familiar)
        return made

    def _structured(self) -> Expression:
        """What is met by the hits of all steps but the last."""
        steps = self._steps()
        return some([steps[i] for i in _WIDEST])

    def _headings(self) -> str:
        """Where the hits of all steps but the last are looked for: what is excluded is so in every field."""
        return self.engine.matches if self.query.excluded else self.engine.headings

    def _narrowed(self, this: Expression, facets: facets_of.Chosen | None = None) -> Expression:
        demands = facets_of.required(self.facets if facets is None else facets)
        unwanted = refused(self.query)
        wanted = every([this, *demands] if this != Token(ALL_DOCUMENTS) or not demands else demands)
        return Without(wanted, unwanted) if unwanted is not None else wanted

    def _anything(self, facets: facets_of.Chosen | None = None) -> Expression:
        """All hits of all stages."""
        if self.query.is_empty:
            return self._narrowed(Token(ALL_DOCUMENTS), facets=facets)
        ways = [self._in(EVERYWHERE)]
        if self.name:
            ways.append(Token(name_tokens(self.name, analysis.loose_identity(self.name))[1]))
        return self._narrowed(some(ways), facets=facets)

    def _staged(self, place: tuple[cursors.Key, ...] | None) -> tuple[str, dict[str, Any]]:
        """Of many hits: one step after the other, until the page is full."""
        start, after = (int(place[0]) % 10, int(place[1])) if place else (0, -1)
        least = min(map(least_number, self.facets["kind"])) - 1 if "kind" in self.facets else -1
        values: dict[str, Any] = {"after": max(after, least), "least": least, "limit": self.request.limit + 1}
        steps = self._steps()
        start = min(start, len(steps) - 1)
        rid = self.engine.rid
        written = [self.engine.written(step) for step in steps]
        demands = [self.engine.written(one) for one in facets_of.required(self.facets)]
        unwanted = [self.engine.written(one) for one in [refused(self.query)] if one is not None]
        order, titles = (rid, {}) if self._are_hits_plenty() else (self.engine.sparse, self._by_titles())
        branches = []
        for step in range(start, len(steps)):
            but = [*(written[i] for i in _EARLIER[step]), *unwanted]
            wanted = self.engine.both.join([written[step], *demands])
            values[f"q{step}"] = self.engine.but.format(wanted, self.engine.either.join(but)) if but else wanted
            matches = (self.engine.matches if step == len(steps) - 1 else self._headings()).format(q=f"q{step}")
            if step in titles:
                values[f"t{step}"] = titles[step]
                matches = f"{matches} AND {self.engine.in_titles.format(q=f't{step}')}"
            # few documents have one name: who walks through all of them to find those walks to the end
            by = self.engine.sparse if step < _TITLED else order
            branches.append(
                f"SELECT * FROM (SELECT {step} AS step, m.rid AS rid FROM "
                f"({matches} AND {rid} > :{'after' if step == start else 'least'} ORDER BY {by} LIMIT :limit) AS m) AS s{step}"
            )
        found = f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS u LIMIT :limit"
        return f"{self._shown('s.step')} {self._with_rows(found)} ORDER BY s.step, s.rid", values

    def _are_hits_plenty(self) -> bool:
        """Whether a walk in order of rank likely meets hits soon: of words and facets one may be common where the other is not."""
        fewest = min((self.familiar.documents.get(word, 0) for word in self.query.words), default=0)
        return fewest >= engines.PLENTY and len(self.query.clauses) == 1 and self.facets.keys() <= {"kind"}

    def _by_titles(self) -> dict[int, str]:
        """For the steps that look at titles only, what titles have to meet by themselves, where the database has those apart."""
        if not self.engine.in_titles or any(term.is_phrase for clause in self.query.clauses for term in clause):
            return {}
        fields = self.engine.title_fields
        ways = {_TITLED: self._in(fields, literally=True), _TITLED_LIKE: self._in(fields)}
        return {step: self.engine.written(way) for step, way in ways.items()}

    def _classified(self, place: tuple[cursors.Key, ...] | None, these: Numbers, others: Numbers) -> list[Any]:
        """A page of hits that are known: `these`, few, held against the steps here, which costs less than asking for every step; then
        `others`, known to be of the last one.
        """
        steps = self._steps()
        last = len(steps) - 1
        after = (int(place[0]) % 10, int(place[1])) if place else (-1, -1)
        if after[0] >= last:
            others = others[others > after[1]]
        wanted = [*map(int, these), *map(int, others[: self.request.limit + 1])]
        among = f"SELECT rid FROM search_document WHERE {self.engine.among.format('rid', ids='ids')}"
        held_back = set(wanted[these.size :])
        rows = []
        for row in self._rows(f"{self._shown('8')} {self._with_rows(among)}", {"ids": ",".join(map(str, wanted))}):
            held = Held(row)
            rows.append({**row, "step": last if row["rid"] in held_back else _step(held, steps), "held": held})
        rows.sort(key=lambda row: (row["step"], row["rid"]))
        return [row for row in rows if (row["step"], row["rid"]) > after][: self.request.limit + 1]

    # other orders

    def _ordered(self, place: tuple[cursors.Key, ...] | None, capped: bool) -> tuple[str, dict[str, Any]]:
        """A page of rows in the order asked for, as a statement. `capped` tells of browsing whether there is much to walk through."""
        if self.request.sort == "relevance" and not self.query.is_empty:
            return self._staged(place)
        values: dict[str, Any] = {"limit": self.request.limit + 1, "most": MAX_SORTED}
        order, going_on = _ORDERS[self.request.sort]
        conditions = []
        if place:
            values |= {f"p{i}": value for i, value in enumerate(place)}
            conditions.append(going_on)
        only_facets = self.query.is_empty and not self.query.excluded
        if only_facets and (capped or not self.facets):
            # many of all: walking the index in order meets enough of them soon
            for i, picked in enumerate(self.facets.items()):
                tokens = {f"f{i}_{j}": facet_token(picked[0], value) for j, value in enumerate(sorted(picked[1]))}
                values |= tokens
                among = ", ".join(f":{name}" for name in tokens)
                conditions.append(f"+d.facet_set IN (SELECT facet_set FROM search_facet_value WHERE token IN ({among}))")
            if self.request.sort == "relevance" and "kind" in self.facets:
                values["least"] = min(map(least_browse_rank, self.facets["kind"]))
                conditions.append("d.browse >= :least")
            source = "search_document d"
        else:
            values["q"] = self.engine.written(self._anything())
            matches = f"{self.engine.matches.format(q='q')} ORDER BY {self.engine.rid} LIMIT :most"
            source = f"({matches}) AS m CROSS JOIN search_document d"
            conditions.append("d.rid = m.rid")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        found = f"SELECT d.rid FROM {source}{where} ORDER BY {order} LIMIT :limit"
        return f"{self._shown('9')} {self._with_rows(found)} ORDER BY {order}", values

    def _shown(self, step: str) -> str:
        return (
            f"SELECT {step} AS step, d.rid, d.id, d.browse, d.title_key, d.updated, c.kind, c.card, "
            'x.title, x."columns", x.keywords, x.text, x.facets'
        )

    def _with_rows(self, found: str) -> str:
        """CROSS JOIN keeps SQLite's planner from starting at the wrong end."""
        return (
            f"FROM ({found}) AS s CROSS JOIN search_document d CROSS JOIN search_card c CROSS JOIN search_text x "
            f"WHERE d.rid = s.rid AND c.rid = s.rid AND x.{self.engine.rid} = s.rid"
        )

    def _rows(self, query: str, values: Mapping[str, Any], share: float = 1.0) -> list[dict[str, Any]]:
        """The rows of a statement that may take a share of the time left; what there is when it is stopped."""
        found: list[dict[str, Any]] = []
        seconds = max(_LEAST_SECONDS, share * (self.deadline - time.perf_counter()))
        try:
            with self.engine.within(self.connection, seconds):
                found.extend(self._asked(query, values))
        except engines.OverBudget:
            self.is_partial = True
        return found

    def _asked(self, query: str, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        return map(dict, self.connection.exec_driver_sql(self.engine.driven(query), dict(values)).mappings())

    # counts

    def _counted_and_read(self, place: tuple[cursors.Key, ...] | None) -> tuple[_Counted, list[Any]]:
        """What is found in all, how often each facet value occurs in it, and the rows of the page.

        Disjunctively: a facet is counted without its own choice.
        """
        fewest = min((self.familiar.documents.get(word, 0) for word in self.query.words), default=MAX_COUNTED)
        wanted = [("", self._anything()), *((name, self._anything(rest)) for name, rest in facets_of.relaxations(self.facets))]
        at_once = self.corrected
        if fewest < MAX_COUNTED and not self.query.is_empty and not at_once:
            (met,) = self._found([self._anything({})], self._doubtful() if place is None else {})
            if met is not None and met.size <= MAX_COUNTED:
                counted = self._chosen(met)
                return counted, self._read(place, counted)
            at_once = bool(self.facets)
            found = {"": met}
        elif not at_once:
            self.most = min(MAX_COUNTED, COUNTED_OF_MANY)
            found = dict(zip((name for name, _ in wanted), self._found([match for _, match in wanted]), strict=True))
        if not at_once:
            counted = self._all_counted(found)
            return counted, self._read(place, counted)
        self.most = min(MAX_COUNTED, COUNTED_OF_MANY)
        query, values = self._ordered(place, capped=False)
        counts, bound = self._counting([match for _, match in wanted])
        nothing = ", ".join(["NULL"] * 11)
        together = f"SELECT * FROM ({query}) AS page UNION ALL SELECT -1 - i, {nothing}, rids FROM ({counts}) AS counts"
        answered = self._rows(together, {**values, **bound})
        rids = {-1 - row["step"]: row["facets"] for row in answered if row["step"] < 0}
        found = {name: combinations_of.numbers(rids[i]) if i in rids else None for i, (name, _) in enumerate(wanted)}
        return self._all_counted(found), [row for row in answered if row["step"] >= 0]

    def _read(self, place: tuple[cursors.Key, ...] | None, counted: _Counted) -> list[Any]:
        all_of_them = counted.rids
        if all_of_them is not None and not all_of_them.size:
            return []
        if all_of_them is not None and self.request.sort == "relevance" and not self.query.is_empty:
            if all_of_them.size <= _CLASSIFIED:
                return self._classified(place, all_of_them, all_of_them[:0])
            if self.near is not None and self.near.size <= _CLASSIFIED:
                return self._classified(place, self.near, all_of_them[~combinations_of.among(all_of_them, self.near)])
        return self._rows(*self._ordered(place, counted.capped))

    def _all_counted(self, found: Mapping[str, Numbers | None]) -> _Counted:
        """From what is found with all choices (named "") and without the choice of each facet."""
        beyond = {name for name, rids in found.items() if rids is not None and rids.size > self.most}
        # of many hits only the best are counted, and those may all be of one kind: then each kind is counted for itself
        are_kinds_many = "kind" in beyond or ("" in beyond and "kind" not in self.facets)
        missing = self._unknown([rids for rids in found.values() if rids is not None])
        kinds = self._learn(missing, _KINDS if are_kinds_many else ()) if missing else {}
        counts: dict[str, dict[str, int]] = {}
        for name, rids in found.items():
            documents = self.combinations.of(combinations_of.numbers("") if rids is None else facet_sets(rids))
            counts |= self._count(documents, [name] if name else self._unchosen())
        counted = counts.get("kind", {})
        if are_kinds_many and not missing:
            kinds = self._learn([], [kind for kind in _KINDS if counted.get(kind, 0) < _KIND_COUNTED])
        counts["kind"] = {kind: most for kind in _KINDS if (most := max(counted.get(kind, 0), kinds.get(kind, 0)))}
        met = found[""]
        total = int(met.size) if met is not None else 0
        return _Counted(min(total, self.most), "" in beyond, self._listed(counts), bool(beyond), None if "" in beyond else met)

    def _chosen(self, found: Numbers) -> _Counted:
        """The same from all that is found whatever its facets: choosing among them here saves a question for each facet."""
        if missing := self._unknown([found]):
            self._learn(missing)
        documents = self.combinations.of(facet_sets(found))
        counts: dict[str, dict[str, int]] = {}
        for name, rest in facets_of.relaxations(self.facets):
            counts |= self._count(documents.kept(self.combinations.having(documents, rest)) if rest else documents, [name])
        if self.facets:
            have = self.combinations.having(documents, self.facets)
            documents, found = documents.kept(have), found[have]
        counts |= self._count(documents, self._unchosen())
        return _Counted(documents.total, False, self._listed(counts), False, found)

    def _count(self, documents: combinations_of.Documents, names: Sequence[str]) -> dict[str, dict[str, int]]:
        return self.combinations.count(documents, names, self.facets)

    def _unchosen(self) -> list[str]:
        return [name for name in FACETS if name not in self.facets]

    def _counting(self, matches: Sequence[Expression]) -> tuple[str, dict[str, Any]]:
        """A statement that gives for each the row numbers of its documents, but of one more than are counted at most."""
        values: dict[str, Any] = {"counted": self.most + 1}
        branches = []
        for i, match in enumerate(matches):
            if match == Token(ALL_DOCUMENTS):
                source = "SELECT rid FROM search_document ORDER BY rid LIMIT :counted"
            else:
                values[f"c{i}"] = self.engine.written(match)
                source = f"{self.engine.matches.format(q=f'c{i}')}{self.engine.best_first} LIMIT :counted"
            # a long row each: rows cost more than what is in them
            branches.append(f"SELECT {i} AS i, {self.engine.joined.format('m.rid')} AS rids FROM ({source}) AS m")
        return " UNION ALL ".join(branches), values

    def _found(self, matches: Sequence[Expression], doubtful: Mapping[str, int] | None = None) -> list[Numbers | None]:
        """The row numbers of what matches each; None where the time was up before.

        Looks in the same statement for what may have been meant by words, and which hits are of all steps but the last where it is likely
        that those are few.
        """
        counts, values = self._counting(matches)
        words = list(self._doubtful() if doubtful is None else doubtful)
        branches = [counts] if matches else []
        for i, word in enumerate(words):
            near, bound = candidates(word, self.familiar.documents.get(word, 0), f"w{i}_")
            values |= bound
            together = self.engine.joined.format("word || ' ' || documents")
            branches.append(f"SELECT {-1 - i} AS i, {together} AS rids FROM ({near}) AS w{i}")
        if matches and self._is_intricate():
            values |= {"near": self.engine.written(self._narrowed(self._structured())), "few": _CLASSIFIED + 1}
            near = f"{self._headings().format(q='near')}{self.engine.best_first} LIMIT :few"
            branches.append(f"SELECT {len(matches)} AS i, {self.engine.joined.format('m.rid')} AS rids FROM ({near}) AS m")
        if not branches:
            return []
        found: list[Numbers | None] = [None for _ in matches]
        for row in self._rows(" UNION ALL ".join(branches), values, share=0.6):
            if row["i"] == len(matches):
                self.near = combinations_of.numbers(row["rids"])
            elif row["i"] >= 0:
                found[row["i"]] = combinations_of.numbers(row["rids"])
            elif row["rids"] and (best := nearest(words[-1 - row["i"]], row["rids"].split(","))):
                self.nearest[words[-1 - row["i"]]] = best
        return found

    def _is_intricate(self) -> bool:
        """Whether several words have to meet in a field, which few hits do that have all of them: looking for each step costs most then."""
        return len(self.query.clauses) > 1 and self.request.sort == "relevance"

    def _learn(self, missing: Sequence[int], kinds: Sequence[str] = ()) -> dict[str, int]:
        """Remember what combinations stand for, and count documents of each of the kinds, in one statement."""
        branches, values = self._counting_kinds(kinds) if kinds else ([], {})
        if missing:
            branches.append(f"SELECT id, facets FROM search_facet_set WHERE {self.engine.among.format('id', ids='ids')}")
            values["ids"] = ",".join(map(str, missing))
        rows = self._rows(" UNION ALL ".join(branches), values) if kinds else []
        known = {row["id"] for row in rows}
        if missing:
            self.combinations.learn((row["id"], row["facets"]) for row in rows if row["id"] >= 0)
        if not known.issuperset(missing):  # these have to be known, however little time is left
            self.combinations.learn((row["id"], row["facets"]) for row in self._asked(branches[-1], {"ids": values["ids"]}))
        return {kinds[-1 - row["id"]]: int(row["facets"]) for row in rows if row["id"] < 0}

    def _unknown(self, found: Sequence[Numbers]) -> list[int]:
        return sorted({one for rids in found for one in self.combinations.missing(facet_sets(rids))})

    def _counting_kinds(self, kinds: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
        others = {name: values for name, values in self.facets.items() if name != "kind"}
        values: dict[str, Any] = {"most": _KIND_COUNTED}
        branches = []
        anything = self.engine.written(self._anything(others))
        for i, kind in enumerate(kinds):
            token = facet_token("kind", kind)
            values |= {f"q{i}": self.engine.both.join([anything, self.engine.written(Token(token))]), f"k{i}": token}
            # most catalogs have few of the kinds: the others are not looked for at all
            there = f"SELECT 1 FROM search_facet_value WHERE token = :k{i} LIMIT 1"
            some_of = f"SELECT m.rid FROM ({there}) AS t{i} CROSS JOIN ({self.engine.matches.format(q=f'q{i}')}) AS m LIMIT :most"
            branches.append(f"SELECT {-1 - i} AS id, CAST(count(*) AS text) AS facets FROM ({some_of}) AS k{i}")
        return branches, values

    def _listed(self, counts: Mapping[str, Mapping[str, int]]) -> dict[str, list[facets_of.Value]]:
        picked = {name: self.facets.get(name, frozenset()) for name in FACETS}
        return {name: facets_of.listed(counts[name], picked[name]) for name in FACETS if counts.get(name) or picked[name]}

    # where to go on

    def _question(self) -> str:
        asked_for = {name: sorted(values) for name, values in self.facets.items()}
        return json.dumps([self.request.text, asked_for, self.request.sort])

    def _place(self) -> tuple[cursors.Key, ...] | None:
        if self.request.cursor is None:
            return None
        if self.request.sort == "relevance" and not self.query.is_empty:
            place = cursors.read(self._question(), self.request.cursor, (int, int))
            self.corrected = int(place[0]) >= 10
            return place
        shapes: dict[str, tuple[type, ...]] = {"relevance": (int, int, str, int), "title": (int, str, int), "updated": (int, int, int)}
        place = cursors.read(self._question(), self.request.cursor, shapes[self.request.sort])
        self.corrected = place[0] == 1
        return place[1:]

    def _key(self, row: Any) -> tuple[cursors.Key, ...]:
        corrected = int(self.corrected)
        if self.request.sort == "relevance" and not self.query.is_empty:
            return (row["step"] + 10 * corrected, row["rid"])
        if self.request.sort == "title":
            return (corrected, row["title_key"], row["rid"])
        if self.request.sort == "updated":
            return (corrected, row["updated"], row["rid"])
        return (corrected, row["browse"], row["title_key"], row["rid"])


def _step(held: Held, steps: Sequence[Expression]) -> int:
    """The first step that a hit meets. Most are of the last ones, so what takes in 3 to 5 is asked before them."""
    for i in (0, 1, 2):
        if held.meets(steps[i]):
            return i
    if held.meets(steps[6]):
        return next(i for i in (3, 4, 5, 6) if held.meets(steps[i]))
    return 7 if held.meets(steps[7]) else 8


@dataclass(frozen=True)
class _Counted:
    total: int
    capped: bool
    facets: dict[str, list[facets_of.Value]]
    facets_capped: bool
    rids: Numbers | None  # of all that is found, in order; None where that is not known


_STAGES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 9: 0}
# the widest of the steps before each
_EARLIER: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (1, 2), (1, 2, 3), (1, 2, 4), (1, 2, 4, 5), (1, 2, 6), (1, 2, 7))
_WIDEST = _EARLIER[8]
_TITLED, _TITLED_LIKE = 3, 5  # the steps that look at titles only
_NO_TOKEN = NAME  # stands in no text
_ORDERS = {
    "relevance": ("d.browse, d.title_key, d.rid", "(d.browse, d.title_key, d.rid) > (:p0, :p1, :p2)"),
    "title": ("d.title_key, d.rid", "(d.title_key, d.rid) > (:p0, :p1)"),
    "updated": ("d.updated DESC, d.rid", "d.updated <= :p0 AND (d.updated < :p0 OR d.rid > :p1)"),
}
