"""The same messages as OpenLineage events, for whatever backend the OpenLineage client is configured for (extra `openlineage`).

A sensor of its own publishes them, after the catalog's and apart from it: a backend that is away holds up nothing but itself.
OpenLineage has no receipts, so an event sent twice is seen twice; its run id is the same then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataproducts.errors import CatalogUnavailable, ConfigurationError
from dataproducts.messages import CheckResult, DatasetBody, Definition, Delivery, Failure, ProductBody, Receipt, Said
from dataproducts.publication.describe import bodies

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client import event_v2 as ol

    from dataproducts.product import DataProduct

NAME = "publish_openlineage"
PRODUCER = "urn:dataproducts"

Message = Said


class OpenLineageTarget:
    """Emits events of a location's products. Namespace is the location, a dataset's job has its name.

    Raises ConfigurationError where the extra is not installed, CatalogUnavailable where the backend does not take an event.
    """

    name = "OpenLineage"
    most = 50
    """Messages at once: each is a request of its own."""

    def __init__(
        self, products: Mapping[str, DataProduct], client: OpenLineageClient | Callable[[], OpenLineageClient] | None = None
    ) -> None:
        self.products = products
        self._client = client
        self._bodies: dict[str, Any] | None = None

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Emit what OpenLineage has words for; of the rest, such as proofs, nothing."""
        client = self._at_hand()
        for event in self.events(messages):
            try:
                client.emit(event)
            except Exception as error:  # of whichever transport is configured
                raise CatalogUnavailable(
                    f"OpenLineage took no event ({type(error).__name__}: {error}); see the client's transport"
                ) from error
        return [Receipt(key=m.key, status="stored") for m in messages]

    def newest(self, location: str) -> dict[str, dict[str, tuple[int, str]]]:
        """Nothing: OpenLineage cannot be asked."""
        return {}

    def events(self, messages: Sequence[Message]) -> list[Any]:
        """The events of messages; check results of one run and dataset are one event."""
        found: list[Any] = []
        checks: dict[tuple[str, str, str], list[CheckResult]] = {}
        for message in messages:
            if isinstance(message, CheckResult):
                checks.setdefault((message.location, message.dataset, message.run), []).append(message)
            elif isinstance(message, Delivery):
                found.append(self._delivered(message))
            elif isinstance(message, Failure):
                found.append(self._failed(message))
            elif isinstance(message, Definition) and message.subject.startswith("dataset:"):
                found.append(self._declared(message))
        return found + [self._checked(results) for results in checks.values()]

    def _delivered(self, d: Delivery) -> ol.RunEvent:
        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        output = ol.OutputDataset(
            d.location,
            d.dataset,
            facets={**self._facets(d.location, self._body(d.dataset)), "version": _version(d.partition, d.number)},
            outputFacets={"outputStatistics": facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=d.rows)},
        )
        inputs = []
        for name, chosen in d.inputs.items():
            of: dict[str, Any] = {"version": _version(*chosen[0])} if len(chosen) == 1 else {}
            inputs.append(ol.InputDataset(d.location, name, facets=of))
        body = self._body(d.dataset)
        if body is not None and body.source is not None:
            inputs.append(ol.InputDataset(d.location, _source(d.dataset, body.source.name)))
        return self._run(d, d.dataset, ol.RunState.COMPLETE, d.at, inputs, [output])

    def _failed(self, f: Failure) -> ol.RunEvent:
        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        text = "; ".join(f"{partition}: {error}" for partition, error in list(f.errors.items())[:20])
        error = facets.error_message_run.ErrorMessageRunFacet(message=text, programmingLanguage="python")
        return self._run(f, f.dataset, ol.RunState.FAIL, f.at, [], [ol.OutputDataset(f.location, f.dataset)], errorMessage=error)

    def _checked(self, results: Sequence[CheckResult]) -> ol.RunEvent:
        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        first = results[0]
        body = self._body(first.dataset)
        columns = {rule.name: rule.column for rule in body.contract.rules} if body else {}
        kind = facets.data_quality_assertions_dataset
        assertions = [
            kind.Assertion(r.check, r.passed, columns.get(r.check), severity=r.severity, description=r.description or None) for r in results
        ]
        checked = ol.InputDataset(
            first.location,
            first.dataset,
            inputFacets={"dataQualityAssertions": kind.DataQualityAssertionsDatasetFacet(assertions=assertions)},
        )
        at = max(r.at for r in results)
        return self._run(first, f"{first.dataset}.checks", ol.RunState.COMPLETE, at, [checked], [])

    def _declared(self, d: Definition) -> ol.DatasetEvent:
        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        of: dict[str, Any]
        if d.dataset is None:
            kind = facets.lifecycle_state_change_dataset
            of = {"lifecycleStateChange": kind.LifecycleStateChangeDatasetFacet(kind.LifecycleStateChange.DROP)}
        else:
            of = self._facets(d.location, d.dataset)
        dataset = ol.StaticDataset(d.location, d.subject.split(":", 1)[1], facets=of)
        return ol.DatasetEvent(eventTime=d.observed_at.isoformat(), producer=PRODUCER, dataset=dataset)

    def _run(
        self, message: Any, job: str, state: Any, at: datetime, inputs: list[Any], outputs: list[Any], **run_facets: Any
    ) -> ol.RunEvent:
        import uuid

        from openlineage.client import event_v2 as ol
        from openlineage.client import facet_v2 as facets

        try:
            run = str(uuid.UUID(message.run))
            kind = facets.parent_run
            run_facets["parent"] = kind.ParentRunFacet(run=kind.Run(run), job=kind.Job(message.location, message.dataset.split("/")[0]))
        except ValueError:
            pass  # reported without a run
        return ol.RunEvent(
            eventTime=at.isoformat(),
            producer=PRODUCER,
            eventType=state,
            run=ol.Run(message.key, facets=run_facets),
            job=ol.Job(message.location, job),
            inputs=inputs,
            outputs=outputs,
        )

    def _facets(self, location: str, body: DatasetBody | None) -> dict[str, Any]:
        """Schema, column lineage, owner and description."""
        from openlineage.client import facet_v2 as facets

        if body is None:
            return {}
        field = facets.schema_dataset.SchemaDatasetFacetFields
        columns = [field(c.name, c.type, c.description or None, n) for n, c in enumerate(body.contract.columns, 1)]
        found: dict[str, Any] = {"schema": facets.schema_dataset.SchemaDatasetFacet(fields=columns)}
        if body.description:
            found["documentation"] = facets.documentation_dataset.DocumentationDatasetFacet(body.description)
        product = self._known().get(f"product:{body.name.split('/')[0]}")
        if isinstance(product, ProductBody):
            owner = facets.ownership_dataset.Owner(f"team:{product.facts.team}", "OWNER")
            found["ownership"] = facets.ownership_dataset.OwnershipDatasetFacet(owners=[owner])
        if body.column_lineage:
            kind = facets.column_lineage_dataset
            masked = [kind.Transformation("DIRECT", "TRANSFORMATION", "keyed HMAC-SHA256", masking=True)]
            made = {c.name: masked for c in body.contract.columns if c.pseudonym}
            fields = {
                name: kind.Fields([kind.InputField(location, _named(o.subject), o.column, made.get(name, [])) for o in origins])
                for name, origins in body.column_lineage.items()
            }
            found["columnLineage"] = kind.ColumnLineageDatasetFacet(fields)
        return found

    def _body(self, dataset: str) -> DatasetBody | None:
        body = self._known().get(f"dataset:{dataset}")
        return body if isinstance(body, DatasetBody) else None

    def _known(self) -> dict[str, Any]:
        if self._bodies is None:
            self._bodies = dict(bodies(self.products))
        return self._bodies

    def _at_hand(self) -> OpenLineageClient:
        try:
            from openlineage.client import OpenLineageClient
        except ModuleNotFoundError as error:
            raise ConfigurationError("OpenLineage needs its client; install dataproducts[openlineage]") from error
        if self._client is None:
            self._client = OpenLineageClient()
        elif not isinstance(self._client, OpenLineageClient):
            self._client = self._client()
        return self._client


def _version(partition: str, number: int) -> Any:
    from openlineage.client import facet_v2 as facets

    return facets.dataset_version_dataset.DatasetVersionDatasetFacet(f"{partition}@{number}")


def _source(dataset: str, source: str) -> str:
    return f"{dataset.split('/')[0]}/source/{source}"


def _named(subject: str) -> str:
    """A dataset's name, or that of a source: `source:shop/till` is `shop/source/till`."""
    kind, _, name = subject.rpartition(":")
    return _source(name, name.split("/")[1]) if kind == "source" else subject
