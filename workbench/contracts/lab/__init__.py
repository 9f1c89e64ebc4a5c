"""What can be asked of the lab, and what it answers: a class each. `wire` has the lines in which they cross."""

from typing import Final

from workbench.contracts.lab.data_requests import DataPage, DataRow, DataSplits, DataStats
from workbench.contracts.lab.model_requests import (
    ModelAnswers,
    ModelBatch,
    ModelFeed,
    ModelGenerate,
    ModelOpen,
    ModelPredict,
)
from workbench.contracts.lab.prediction_requests import PredictionsCompare, PredictionsPage
from workbench.contracts.lab.request import AnyRequest
from workbench.contracts.lab.token_requests import TokensEncode

REQUESTS: Final[tuple[type[AnyRequest], ...]] = (
    DataSplits, DataPage, DataRow, DataStats, TokensEncode, ModelOpen, ModelPredict, ModelBatch, ModelFeed,
    ModelAnswers, ModelGenerate, PredictionsPage, PredictionsCompare,
)  # fmt: skip
