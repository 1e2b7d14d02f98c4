"""AWS by a table of answers: boto3's own clients, whose calls and answers must be what the service's model says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from tests.support.names import REGION

Json = Mapping[str, Any]
Answer = Json | Exception | Callable[[Json], Json]
"""What is answered, or raised, or made of the call's parameters."""

_LOADER = botocore.loaders.create_loader()  # It keeps the models of services that it has read.


class ScriptedAws:
    """Operations by their names, `sqs.GetQueueAttributes`, and what is answered to each; any other is a mistake."""

    def __init__(self, answers: Mapping[str, Answer], region: str = REGION) -> None:
        self.answers = dict(answers)
        self.calls: list[tuple[str, Json]] = []
        core = botocore.session.Session()
        core.register_component("data_loader", _LOADER)
        self.session = boto3.Session("key", "secret", botocore_session=core, region_name=region)
        self.session.events.register("provide-client-params.*.*", self._called)
        answered: Any = self._answered  # The stubs do not know that botocore takes what is answered for AWS's answer.
        self.session.events.register("before-call.*.*", answered)

    def _called(self, params: Json, model: OperationModel, **_: object) -> None:
        self.calls.append((_name(model), dict(params)))

    def _answered(self, model: OperationModel, **_: object) -> tuple[object, Json]:
        name, params = self.calls[-1]
        assert name == _name(model)
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        given = dict(answer(params) if callable(answer) else answer)
        about = given.pop("ResponseMetadata", {"HTTPStatusCode": 200})
        assert_answerable(model, given)
        return SimpleNamespace(status_code=200), {**given, "ResponseMetadata": about}


def assert_answerable(model: OperationModel, answer: Json) -> None:
    """The operation may answer so, by the service's model; some never answer anything."""
    if model.output_shape is None:
        assert not answer, f"{model.name} never answers anything"
        return
    report = ParamValidator().validate(answer, model.output_shape)
    assert not report.has_errors(), f"{model.name} never answers so: {report.generate_report()}"


def _name(model: OperationModel) -> str:
    return f"{model.service_model.service_name}.{model.name}"
