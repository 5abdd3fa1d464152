"""The settings of a project as a form: what the page sends becomes a SettingsChange."""

from collections.abc import Mapping

from django import forms

from sheepfold.server.accounts.models import Group, User
from sheepfold.server.projects.changes import SettingsChange
from sheepfold.server.projects.formats import OutputFormat
from sheepfold.server.projects.models import FrameOrder, Project, Visibility

KIB_PER_GIB = 1 << 20
DEVICES = (("cpu", "Processors"), ("gpu", "Graphics cards"), ("both", "Both"))
ORDERS = (
    (FrameOrder.FIRST, "From the first to the last"),
    (FrameOrder.INWARDS, "From both ends inwards"),
    (FrameOrder.PREVIEW, "Preview first: every so many frames, then those between"),
)
WHOSE_MACHINES = (
    (Visibility.EVERYBODY, "Everybody's machines"),
    (Visibility.GROUP, "Machines of the group"),
    (Visibility.OWNER, "Only my machines"),
)
FORMAT_NAMES = {OutputFormat.OPEN_EXR: "OpenEXR", OutputFormat.OPEN_EXR_MULTILAYER: "OpenEXR, all passes"}


class SettingsForm(forms.Form):
    """All that an owner decides before the start. Bounds are checked by the action, which names what is wrong."""

    name = forms.CharField(max_length=100, label="Name")
    frames = forms.CharField(max_length=1000, label="Frames", help_text="For example 1-24,30 or 1-100x10.")
    percentage = forms.IntegerField(min_value=1, max_value=400, label="Resolution in per cent")
    samples = forms.IntegerField(min_value=0, required=False, label="Samples", help_text="Empty: as the scene says.")
    output_format = forms.ChoiceField(
        choices=[
            (kind.value, FORMAT_NAMES.get(kind, kind.value.title() if len(kind) > 4 else kind.value))
            for kind in OutputFormat
        ],
        label="Format of the frames",
    )
    fps = forms.FloatField(min_value=0.01, max_value=1000, label="Frames a second", help_text="Of the video.")
    device = forms.ChoiceField(choices=DEVICES, label="Render on")
    order = forms.ChoiceField(choices=ORDERS, label="Order")
    visibility = forms.ChoiceField(choices=WHOSE_MACHINES, label="Who may render it")
    group = forms.ChoiceField(required=False, label="Group", help_text="Its members see the project.")
    priority = forms.IntegerField(min_value=0, max_value=100, label="Priority", help_text="Higher goes first.")
    min_memory_gib = forms.FloatField(
        min_value=0, max_value=4096, required=False, label="Least memory in GiB", help_text="Empty: any machine."
    )
    min_power = forms.IntegerField(
        min_value=0,
        max_value=10_000,
        required=False,
        label="Least power in per cent",
        help_text="As the test frames of machines show it. Empty: any machine, tested or not.",
    )
    max_minutes = forms.IntegerField(
        min_value=0, required=False, label="Longest time for a frame in minutes", help_text="Empty: no limit."
    )

    def __init__(self, project: Project, user: User, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data, initial=_initial(project))
        groups = Group.objects.filter(memberships__user=user).order_by("name")
        self.fields["group"].choices = [("", "None"), *((str(group.pk), group.name) for group in groups)]  # type: ignore[attr-defined]

    def change(self) -> SettingsChange:
        """What is to be changed; call it after `is_valid`."""
        values = self.cleaned_data
        return SettingsChange(
            name=values["name"],
            frames=values["frames"],
            order=FrameOrder(values["order"]),
            percentage=values["percentage"],
            samples=values["samples"] or 0,
            output_format=OutputFormat(values["output_format"]),
            fps=values["fps"],
            use_cpu=values["device"] in {"cpu", "both"},
            use_gpu=values["device"] in {"gpu", "both"},
            min_ram_kib=int((values["min_memory_gib"] or 0) * KIB_PER_GIB),
            min_power=values["min_power"] or 0,
            max_minutes_per_frame=values["max_minutes"] or 0,
            visibility=Visibility(values["visibility"]),
            priority=values["priority"],
            group_id=int(values["group"] or 0),
        )


def _initial(project: Project) -> dict[str, object]:
    return {
        "name": project.name,
        "frames": project.frames,
        "percentage": project.percentage,
        "samples": project.samples,
        "output_format": project.output_format,
        "fps": project.fps,
        "device": _device(project),
        "order": project.order,
        "visibility": project.visibility,
        "group": str(project.group_id or ""),
        "priority": project.priority,
        "min_memory_gib": round(project.min_ram_kib / KIB_PER_GIB, 2) or None,
        "min_power": project.min_power or None,
        "max_minutes": project.max_minutes_per_frame or None,
    }


def _device(project: Project) -> str:
    if project.use_cpu and project.use_gpu:
        return "both"
    return "gpu" if project.use_gpu else "cpu"
