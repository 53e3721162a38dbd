from .by_state import AnyModel as AnyModel
from .by_state import StateModels as StateModels
from .by_state import load as load
from .error import CoefficientNoise as CoefficientNoise
from .error import LabelError as LabelError
from .fit import train as train
from .model import Model as Model
