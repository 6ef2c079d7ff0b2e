"""Numbers for Prometheus; the gate lets only the addresses of FALCON_METRICS_FROM read them."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, ProcessCollector, generate_latest
from starlette.responses import Response

from falcon_pipelines import __version__

router = APIRouter(include_in_schema=False)


def describe(registry: CollectorRegistry) -> CollectorRegistry:
    """Adds what is known of every process: its version, memory, time and open files."""
    Gauge("falcon_dashboard_info", "The running version.", ("version",), registry=registry).labels(
        __version__
    ).set(1)
    ProcessCollector(registry=registry)
    return registry


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """In Prometheus' text format."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
