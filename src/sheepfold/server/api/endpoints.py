"""The table of everything that programs can ask for."""

from sheepfold.server.api import accounts, projects, uploads
from sheepfold.server.api import schemas as s
from sheepfold.server.api.routing import Endpoint, File
from sheepfold.server.projects.changes import SettingsChange

ONE_PROJECT = "projects/<int:project_id>"
STEERING = (
    ("start", projects.start, "Plan the frames and let machines have them."),
    ("pause", projects.pause, "Give out no more frames; those being rendered count."),
    ("resume", projects.resume, "Give out frames of a paused project again."),
    ("cancel", projects.cancel, "Stop it, on the machines too; finished frames stay."),
    ("restore", projects.restore, "Take it out of the bin."),
)

ENDPOINTS = (
    Endpoint("GET", "me", accounts.me, "Who the token belongs to.", s.Person),
    Endpoint("POST", "uploads", uploads.create, "Announce a scene; makes its project.", s.Upload, body=s.NewUpload),
    Endpoint("GET", "uploads/<str:upload_id>", uploads.show, "How much has come.", s.Upload),
    Endpoint(
        "PATCH",
        "uploads/<str:upload_id>",
        uploads.append,
        "Send the bytes from `offset` on as the raw body. After the last one the scene is analysed.",
        s.Upload,
        parameters=("offset",),
        raw=True,
    ),
    Endpoint("GET", "projects", projects.listing, "Projects that you may see, the newest first.", list[s.Project]),
    Endpoint("GET", ONE_PROJECT, projects.show, "One project and how far it is.", s.Project),
    Endpoint("PATCH", ONE_PROJECT, projects.change, "Change settings.", s.Project, body=SettingsChange),
    Endpoint("DELETE", ONE_PROJECT, projects.delete, "Put it into the bin.", s.Done),
    *(Endpoint("POST", f"{ONE_PROJECT}/{verb}", handler, summary, s.Project) for verb, handler, summary in STEERING),
    Endpoint("POST", f"{ONE_PROJECT}/rerender", projects.rerender, "Render frames again.", s.Count, body=s.FrameList),
    Endpoint("POST", f"{ONE_PROJECT}/extend", projects.extend, "Add frames.", s.Count, body=s.FrameList),
    Endpoint(
        "GET",
        f"{ONE_PROJECT}/frames",
        projects.frames,
        "Its frames by number, a thousand from `offset` on.",
        list[s.Frame],
        parameters=("offset",),
    ),
    Endpoint(
        "GET",
        f"{ONE_PROJECT}/results",
        projects.results,
        "Accepted images, a thousand that came `after` a result.",
        list[s.Result],
        parameters=("after",),
    ),
    Endpoint(
        "GET",
        f"{ONE_PROJECT}/frames/<int:frame>",
        projects.frame_file,
        "The image of a frame, or of one `part` of it.",
        File("image/*"),
        parameters=("part",),
    ),
    Endpoint("GET", f"{ONE_PROJECT}/zip", projects.zip_file, "All finished frames.", File("application/zip")),
    Endpoint("GET", f"{ONE_PROJECT}/video", projects.video_file, "The film of the frames.", File("video/mp4")),
    Endpoint("GET", "renderers", accounts.renderers, "Blender versions that machines get.", list[s.Renderer]),
    Endpoint("GET", "machines", accounts.machines, "Your machines, the last heard of first.", list[s.Machine]),
    Endpoint("POST", "users", accounts.add_user, "Add a person.", s.Person, body=s.NewUser, admin=True),
    Endpoint("POST", "keys", accounts.add_key, "Make a render key for a machine.", s.Secret, body=s.NewSecret),
    Endpoint("POST", "tokens", accounts.add_token, "Make a token for a program.", s.Secret, body=s.NewSecret),
)
