"""The interfaces to the outside world: a clock, a model, an environment and so on.

They are protocols: an implementation need not import them, and one that inherits them gets the defaults. Only
``runners/wiring`` chooses implementations, and no other code tests the class of one. What only some implementations can
do is a member of the port: ``Environment.capabilities``, ``Model.scoring``, ``Model.adapters``.
"""

from __future__ import annotations

from .channel import Channel as Channel
from .clock import Clock as Clock
from .environment import Environment as Environment
from .environment import PlannedScript as PlannedScript
from .environment import Script as Script
from .model import NO_MEDIA as NO_MEDIA
from .model import AdapterServer as AdapterServer
from .model import Answer as Answer
from .model import ChosenEndpoint as ChosenEndpoint
from .model import EndpointChooser as EndpointChooser
from .model import Model as Model
from .model import Proof as Proof
from .model import RoleModel as RoleModel
from .model import ScoringModel as ScoringModel
from .model import Teacher as Teacher
from .model import complete as complete
from .model import require_taken as require_taken
from .model import takes_of as takes_of
from .reviewer import Attempt as Attempt
from .reviewer import Reviewer as Reviewer
from .served import NotRecorded as NotRecorded
from .served import Served as Served
from .served import ServedRecord as ServedRecord
from .training import LaunchedTraining as LaunchedTraining
from .training import Progress as Progress
from .training import TrainingLauncher as TrainingLauncher
from .training import Waiting as Waiting
from .weights import Publication as Publication
from .weights import PublishedAdapters as PublishedAdapters
from .weights import WeightRegistry as WeightRegistry
from .weights import WeightsRef as WeightsRef
