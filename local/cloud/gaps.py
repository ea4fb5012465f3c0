"""Every addition to the emulator, in the order in which they are installed."""

from collections.abc import Mapping
from typing import Final, Protocol

from local.cloud import (
    accepted_types,
    batch_actions,
    calls,
    condition_keys,
    control,
    event_buses,
    event_rules,
    execution_branches,
    execution_logs,
    execution_names,
    executions,
    failures,
    identity_store,
    lambda_errors,
    observations,
    organization,
    regions,
    request_keys,
    rest_apis,
    rest_callers,
    rest_refusals,
    role_paths,
    rule_references,
    saml_sessions,
    service_targets,
    session_limits,
    session_tags,
    signin,
    source_identity,
    stack_buckets,
    stack_conditions,
    stack_mappings,
    stack_policies,
    stack_roles,
    stack_secrets,
    stack_sets,
    task_tokens,
    trail,
    trust_documents,
    wait_states,
    wildcards,
)


class Gap(Protocol):
    """A gap module."""

    @property
    def READ_AGAINST(self) -> Mapping[str, str]:  # noqa: N802 - a constant of the module
        """Digest of the emulator's source, by `package.module:attribute`, that the module was written against."""

    def install(self) -> None: ...


GAPS: Final[tuple[Gap, ...]] = (
    observations,
    wildcards,
    calls,  # before whoever completes what a policy is asked with
    organization,
    source_identity,
    session_tags,
    session_limits,
    saml_sessions,
    signin,
    condition_keys,
    role_paths,
    stack_sets,
    trust_documents,
    event_rules,
    event_buses,
    rule_references,
    regions,
    service_targets,
    request_keys,
    rest_apis,
    rest_callers,
    rest_refusals,
    batch_actions,
    identity_store,
    lambda_errors,
    executions,
    execution_branches,
    task_tokens,
    wait_states,
    execution_names,
    execution_logs,
    accepted_types,
    trail,
    failures,  # CloudTrail tells of what was done, whatever its caller hears
    stack_buckets,
    stack_conditions,
    stack_mappings,
    stack_policies,
    stack_roles,
    stack_secrets,
    control,
)


def install() -> None:
    for gap in GAPS:
        gap.install()
