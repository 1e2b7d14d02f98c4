"""The route that hands a job on as one file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from schemas.casefile import CaseLogs, CaseValues
from service.api.parameters import JobName, TenantName, refusals
from service.core.casefile.collecting import Wanted
from service.core.log_layout import safe_segment
from service.tracking.case import CaseFiles

ZIP = "application/zip"
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}
}


def cases(files: CaseFiles) -> APIRouter:
    """The route over these."""
    routes = APIRouter(prefix="/tenants/{tenant}/jobs/{job_id}")

    @routes.get("/case", response_class=StreamingResponse, responses={**refusals(404), **_FILE})
    async def get_case(
        tenant: TenantName,
        job_id: JobName,
        logs: Annotated[CaseLogs, Query(description="The last lines of each, the whole of each, or none.")] = "tail",
        values: Annotated[CaseValues, Query(description="Those of environment variables.")] = "masked",
    ) -> StreamingResponse:
        """All that is known of a job or of a rejected request as one zip, which `jobferry replay` reads."""
        case = await files.of(tenant, job_id, Wanted(logs, values))
        name = f'attachment; filename="case-{safe_segment(job_id)}.zip"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return StreamingResponse(case.chunks(), media_type=ZIP, headers=headers)

    return routes
