"""What a site file may say: strict models, a loader whose errors name file, line and key, references to secrets."""

from runbook_lib.params.load import load, project_root
from runbook_lib.params.model import Host, Lab, Model, Rollout, SecretRef, Site, Ssh

__all__ = ["Host", "Lab", "Model", "Rollout", "SecretRef", "Site", "Ssh", "load", "project_root"]
