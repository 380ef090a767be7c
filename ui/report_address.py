"""All that the report page shows, as its address says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from retrieval.evaluation.reading import OpenedReport


@dataclass(frozen=True)
class ReportAddress:
    """What is shown of which report.

    Attributes:
        report: its folder below the reports' folder.
        editors: those that are shown; none means all.
        attribute, value: of the edits that are shown; none means all.
        protocol, network: whose curves are shown.
    """

    report: str = ""
    editors: tuple[str, ...] = ()
    attribute: str = ""
    value: str = ""
    protocol: str = ""
    network: str = ""
    lang: str = ""

    def but(self, **changes: Any) -> ReportAddress:
        return replace(self, **changes)

    @property
    def href(self) -> str:
        return f"?{urlencode(self.query())}"

    def query(self) -> list[tuple[str, str]]:
        """Pairs of an address; what is as usual is left out."""
        names = ("report", "attribute", "value", "protocol", "network", "lang")
        pairs = [(name, getattr(self, name)) for name in names]
        return [(key, value) for key, value in pairs if value] + [("editor", name) for name in self.editors]


def read_address(query: Mapping[str, list[str]], names: list[str]) -> ReportAddress:
    """The reverse of ``ReportAddress.query``; a report that is not among ``names`` is the first. Never raises."""
    one = {key: values[-1] for key, values in query.items() if values}
    keys = ("attribute", "value", "protocol", "network", "lang")
    report = one.get("report", "")
    chosen = report if report in names else next(iter(names), "")
    return ReportAddress(chosen, tuple(query.get("editor", ())), **{key: one.get(key, "") for key in keys})


def within(address: ReportAddress, report: OpenedReport) -> ReportAddress:
    """The address with what this report has not left out."""
    editors = tuple(name for name in report.methods if name in address.editors)
    attribute = address.attribute if address.attribute in report.attributes else ""
    value = address.value if attribute and address.value in report.attributes[attribute] else ""
    protocol = address.protocol if address.protocol in report.protocols else next(iter(report.protocols), "")
    networks = report.protocols.get(protocol, {})
    network = address.network if address.network in networks else next(reversed(networks), "")
    return replace(address, editors=editors, attribute=attribute, value=value, protocol=protocol, network=network)
