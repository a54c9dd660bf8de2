"""How files are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.files.api import File, FilesMutation, FilesQuery
from cityloom.files.events import EVENTS
from cityloom.files.jobs import JOBS
from cityloom.files.permissions import PERMISSIONS
from cityloom.files.settings import FilesSettings

MODULE = Module(
    name="files",
    title=Text("附件", "Files"),
    description=Text("照片与视频的上传、清洗、存放和查看。", "Uploads of photos and videos: cleaned, kept and shown."),
    is_core=True,
    settings=FilesSettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(queries=(FilesQuery,), mutations=(FilesMutation,), types=(File,)),
    events=EVENTS,
    jobs=JOBS,
)
