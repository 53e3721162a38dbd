# What `import bayescannon as bc` offers. Read by type checkers, and when the package is imported:
# each name is loaded at its first use, so that the command line answers at once.
from . import ages as ages
from . import calibration as calibration
from . import catalog as catalog
from . import flags as flags
from . import labels as labels
from . import model as model
from . import posterior as posterior
from . import simulate as simulate
from . import spectra as spectra
from . import training as training
from . import validation as validation
from .ages import Parsec as Parsec
from .ages import infer_ages as infer_ages
from .catalog import build_catalog as build_catalog
from .catalog import read_catalog as read_catalog
from .catalog import run_catalog as run_catalog
from .catalog import write_catalog as write_catalog
from .errors import UserError as UserError
from .labels import CarbonNitrogenRegion as CarbonNitrogenRegion
from .labels import paper_selection as paper_selection
from .labels import seismic_logg as seismic_logg
from .labels import seismic_mass as seismic_mass
from .labels import training_cuts as training_cuts
from .labels import training_set as training_set
from .model import Model as Model
from .posterior import infer as infer
from .posterior import open_posterior as open_posterior
from .posterior import reweight as reweight
from .recipe import Recipe as Recipe
from .simulate import make_apokasc as make_apokasc
from .simulate import make_mock as make_mock
from .spectra import Spectra as Spectra
from .spectra import fetch_files as fetch_files
from .spectra import read_all_star as read_all_star
from .spectra import survey_paths as survey_paths
from .spectra.ingest import ingest_files as ingest_files
from .validation import certify as certify
from .validation import cross_validate as cross_validate
from .validation import recalibrate as recalibrate
from .validation import repeats as repeats
from .validation import train as train

__version__: str
