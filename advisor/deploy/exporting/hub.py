"""An export uploaded to the hub, by the hub's own client. The token comes from the environment and is kept nowhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import huggingface_hub

from advisor.errors import UserError
from advisor.extras import hub_unheard

TOKEN = "HF_TOKEN"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def check_push(repository: str, offline: bool) -> None:
    """See that something may be uploaded, before it is made.

    Raises:
        UserError: nothing may leave the machine, the name is none, or there is no token.
    """
    if offline:
        raise UserError(
            "--push-to-hub: no text of this task may leave the machine (local_only, --offline)", "leave it out"
        )
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(f"--push-to-hub: {repository!r} is no repository", "OWNER/NAME")
    if not os.environ.get(TOKEN):
        raise UserError(
            f"--push-to-hub: the environment has no {TOKEN}", f"export {TOKEN}=... (a token that may write)"
        )


def push(folder: Path, repository: str) -> str:
    """Upload all files of an export as one commit; a repository that is not there is made, private.

    Returns:
        Where it is.

    Raises:
        UserError: the hub cannot be reached, or refuses.
    """
    client = huggingface_hub.HfApi(token=os.environ[TOKEN])
    try:
        with hub_unheard():
            client.create_repo(repository, private=True, exist_ok=True)
            done = client.upload_folder(
                repo_id=repository, folder_path=folder, commit_message="Exported with its certificate"
            )
    except Exception as error:  # whatever stands between this machine and the hub
        reason = " ".join(str(error).replace(os.environ[TOKEN], "***").split())[:300]
        raise UserError(
            f"{repository}: the hub does not take it: {type(error).__name__}: {reason}",
            "the export lies where it was written; upload it with the hub's own client",
        ) from error
    return str(getattr(done, "commit_url", "") or repository)
