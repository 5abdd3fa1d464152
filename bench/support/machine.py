"""What a machine says, with the real codec, over the cheap connections."""

from collections.abc import Sequence

from sheepfold.protocol import codec
from sheepfold.protocol.codes import HeartbeatStatus, UploadStatus, WorkStatus
from sheepfold.protocol.messages import Job
from support.farm import Holding
from support.wire import BadAnswer, Pool, multipart

ASK = "/server/request_job.php?computemethod=0&cpu_cores=8&ram_max=16777216&rendertime=0&open="


async def beat(pool: Pool, cookie: str, holding: Holding) -> None:
    """A sign of life of a machine that renders this tile."""
    words = f"job={holding.project_id}&frame={holding.frame:04d}&extras={holding.token}"
    target = f"/server/keepmealive.php?paused=false&{words}&rendertime=60&remainingtime=540"
    answer = codec.decode_heartbeat_answer((await pool.ask("GET", target, cookie)).body)
    if answer.status != HeartbeatStatus.OK:
        raise BadAnswer(f"a live machine was told {answer.status}")


async def ask(pool: Pool, cookie: str, cached: Sequence[str] = ()) -> Job:
    """Give me work, where there is some; `cached`: the archives that the machine has, by MD5."""
    job = await try_to_ask(pool, cookie, cached)
    if job is None:
        raise BadAnswer("there is work, and a machine got none")
    return job


async def try_to_ask(pool: Pool, cookie: str, cached: Sequence[str] = ()) -> Job | None:
    """The same, where there may be none."""
    answer = codec.decode_work_answer((await pool.ask("POST", ASK, cookie, codec.encode_cache(cached))).body)
    if answer.status not in (WorkStatus.OK, WorkStatus.NO_JOB):
        raise BadAnswer(f"a live machine was told {answer.status}")
    return answer.job


async def send(pool: Pool, cookie: str, holding: Holding, image: bytes, name: str = "frame.png") -> None:
    """A finished frame."""
    words = f"job={holding.project_id}&frame={holding.frame:04d}&extras={holding.token}"
    body, kind = multipart(image, name)
    answer = await pool.ask(
        "POST", f"/server/send_frame.php?{words}&rendertime=600&memoryused=1000", cookie, body, kind
    )
    status = codec.decode_upload_answer(answer.body).status
    if status != UploadStatus.OK:
        raise BadAnswer(f"a good frame was answered {status}")


async def fetch(pool: Pool, cookie: str, job: Job, kind: str) -> int:
    """An archive of the job, `job` or `binary`; bytes."""
    return len((await pool.ask("GET", f"/server/archive.php?type={kind}&job={job.id}", cookie)).body)


def holding_of(job: Job) -> Holding:
    """The tile that came with an answer."""
    return Holding(job.id, job.frame, job.extras)
