"""`verify(objects, book) -> Verification`: everything that is wrong with a cluster's configuration, beyond what assembly finds.

Assumes parsed objects. Refuses nothing by itself: `withhold` keeps from starting what an error concerns, and the rest of the cluster
goes on. What runs with exactly the parameters that are found wrong has proven the verifier wrong: that becomes a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from backstay.api import HANodePlan
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.assemble_resources import ResourceIndex, params_of
from backstay.state.digest import params_digest
from backstay.verify.addresses import check_addresses
from backstay.verify.agents import AgentBook
from backstay.verify.allowed import NOT_ALLOWED, check_allowed
from backstay.verify.devices import check_devices
from backstay.verify.operations import check_operations
from backstay.verify.parameters import check_agent
from backstay.verify.places import check_places
from backstay.verify.written import Finding, Written, written_resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found. `faulty`: resources with an error, and its code."""

    problems: tuple[Problem, ...] = ()
    faulty: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A judgement of one state of the configuration; `conclude` is cheap and may be asked again and again."""

    resources: tuple[Written, ...]
    findings: tuple[Finding, ...]
    others: tuple[Problem, ...]

    def conclude(self, plans: Mapping[str, HANodePlan]) -> Findings:
        """In the light of what has been started already."""
        wrong = {one.resource for one in self.findings if one.problem.severity == "error"}
        proven = _proven((one for one in self.resources if one.id in wrong), plans) if wrong else frozenset()
        findings = [_softened(finding, proven) for finding in self.findings]
        faulty: dict[str, str] = {}
        for finding in findings:
            if finding.problem.severity == "error":
                faulty.setdefault(finding.resource, finding.problem.code)
        return Findings(problems=(*(one.problem for one in findings), *self.others), faulty=faulty)


def verify(objects: Objects, book: AgentBook, *, index: ResourceIndex) -> Verification:
    """Judge all objects; `index` is what assembly made of them. Resources oldest first, of one the errors first."""
    resources = tuple(
        one
        for one in written_resources(objects, index.objects)
        if (one.kind, one.namespace, one.name) not in objects.unreadable
    )
    findings: list[Finding] = []
    for one in resources:
        findings += check_allowed(one, objects.cluster)
        findings += check_agent(one, book)
        findings += check_operations(one)
    findings += check_addresses(resources)
    order = {one.id: number for number, one in enumerate(resources)}
    findings.sort(key=lambda finding: (order[finding.resource], finding.problem.severity != "error"))
    others = (*check_places(objects, index), *check_devices(objects, book))
    return Verification(resources=resources, findings=tuple(findings), others=others)


def wanted_agents(objects: Objects) -> frozenset[str]:
    """Agents whose meta-data the checks need."""
    resources = {one.spec.agent for one in objects.resources} | {
        member.template.agent for one in objects.groups for member in one.spec.members if member.template
    }
    devices = {device.spec.agent for device in objects.devices}
    return frozenset(one for one in resources | devices if one.startswith(("ocf:", "stonith:")))


def _proven(resources: Iterable[Written], plans: Mapping[str, HANodePlan]) -> frozenset[str]:
    """Resources that some node has started with the very parameters that they have now."""
    started = {
        (record.resource.partition(":")[0], record.agent, record.digest)
        for plan in plans.values()
        for record in plan.status.history
        if record.operation == "start" and record.rc == 0 and record.digest
    }
    return frozenset(
        one.id
        for one in resources
        if (one.id, one.template.agent, params_digest(params_of(one.template))) in started
    )


def _softened(finding: Finding, proven: frozenset[str]) -> Finding:
    if finding.resource not in proven or finding.problem.severity != "error":
        return finding
    if finding.problem.code == NOT_ALLOWED:
        return finding  # that it can run was never the question
    return replace(finding, problem=replace(finding.problem, severity="warning"))
