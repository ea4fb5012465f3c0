"""Metrics, written into the function's own log, of which CloudWatch makes them: no permission, no call, and nothing but numbers.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections.abc import Mapping
from typing import Final

NAMESPACE: Final = "Doorward"
_SECONDS: Final = "Seconds"


def emit(measures: Mapping[str, float]) -> None:
    """What is empty writes nothing. Names that begin with Seconds are seconds, the others counts."""
    if not measures:
        return
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit  # here: most of what is told is not measured

    metrics = EphemeralMetrics(namespace=NAMESPACE, service="grants")
    for name, value in measures.items():
        metrics.add_metric(name=name, unit=MetricUnit.Seconds if name.startswith(_SECONDS) else MetricUnit.Count, value=value)
    metrics.flush_metrics()
