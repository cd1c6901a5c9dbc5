"""What a site file may say: strict models, a loader whose errors name file, line and key, references to secrets."""

from runbook_lib.params.load import load
from runbook_lib.params.model import Host, Model, SecretRef, Site, Ssh

__all__ = ["Host", "Model", "SecretRef", "Site", "Ssh", "load"]
