"""The nouns of a task (examples, queries, documents, limits), and loading and checking them."""

from advisor.tasks.beside import with_others
from advisor.tasks.caveats import DataFacts, data_caveats, data_facts
from advisor.tasks.examples import default_labels
from advisor.tasks.faults import Fault, Faults
from advisor.tasks.loading import load_table, load_task
from advisor.tasks.metric_facts import Metric, MetricFacts, Parameter
from advisor.tasks.metrics import check_metric, facts_of, metric_names, parse_metric, release_of
from advisor.tasks.outline import Outline, TaskShape, Texts
from advisor.tasks.splits import subset
from advisor.tasks.tables import TableSource
from advisor.tasks.task import (
    DEFAULT_METRIC,
    KINDS,
    UNANSWERABLE,
    Defaults,
    Document,
    Example,
    Grade,
    GroundedQuery,
    Kind,
    Limits,
    OtherTask,
    Preference,
    Query,
    Task,
    TaskBrief,
)

__all__ = [
    "DEFAULT_METRIC",
    "KINDS",
    "UNANSWERABLE",
    "DataFacts",
    "Defaults",
    "Document",
    "Example",
    "Fault",
    "Faults",
    "Grade",
    "GroundedQuery",
    "Kind",
    "Limits",
    "Metric",
    "MetricFacts",
    "OtherTask",
    "Outline",
    "Parameter",
    "Preference",
    "Query",
    "TableSource",
    "Task",
    "TaskBrief",
    "TaskShape",
    "Texts",
    "check_metric",
    "data_caveats",
    "data_facts",
    "default_labels",
    "facts_of",
    "load_table",
    "load_task",
    "metric_names",
    "parse_metric",
    "release_of",
    "subset",
    "with_others",
]
