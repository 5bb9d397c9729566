"""The one family of errors. Every message names the thing, the culprit and what to do about it."""

from __future__ import annotations


class DataProductsError(Exception):
    """Base of everything the kit raises on purpose; its text is one sentence a person can act on."""


class DeclarationError(DataProductsError):
    """A product, contract or dataset is declared wrongly: the code or the YAML has to change."""


class ContractBreach(DataProductsError):
    """Rows or columns do not keep the contract; nothing was stored."""


class ContractChanged(DataProductsError):
    """The contract differs from the frozen promise in a way its version number does not admit."""


class UnknownDataset(DataProductsError):
    """No such product, dataset, partition or version."""


class PartitionUnavailable(DataProductsError):
    """The source cannot give this partition (any more, or yet); nothing was stored."""


class SourceError(DataProductsError):
    """The upstream did not answer as agreed: unreachable, truncated, garbled or refusing."""


class QueryFailed(DataProductsError):
    """A SQL dataset's query could not be computed over the rows it read; nothing was stored."""


class HistoryError(DataProductsError):
    """The store cannot be read or written: a corrupt file, a full or read-only disk, a closed table."""


class ConfigurationError(DataProductsError):
    """A variable or setting is missing or wrong."""


class CatalogUnavailable(DataProductsError):
    """The catalog cannot be reached or cannot write just now; the same again later may succeed."""


class BadRequest(DataProductsError):
    """A question or message to the catalog is wrong: the one who asked has to change it."""


class Clash(DataProductsError):
    """The catalog holds something else under the same name or key."""


class PortError(DataProductsError):
    """A port cannot take what it was given, or is set up wrongly at the other end: nothing of it has arrived."""


class PortUnavailable(PortError):
    """A port's other end did not answer; whether something arrived is found out by the next run, which may succeed."""


class ReceiverUnavailable(DataProductsError):
    """Whoever is to be told of trouble cannot be reached just now, or does not take it; the same again later may succeed."""
