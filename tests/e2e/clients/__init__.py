"""Small independent clients, one for each generation, as strict as the real ones."""

from tests.e2e.clients.client import Client
from tests.e2e.clients.go_2017 import Go2017
from tests.e2e.clients.java_okhttp import Java2020July, Java2021, Java2022
from tests.e2e.clients.java_url import Java2015, Java2016, Java2017, Java2018, Java2020April
from tests.e2e.clients.rust_2024 import Rust2024
from tests.e2e.clients.sheepfold_client import Sheepfold

CLIENTS: dict[str, type[Client]] = {
    client.generation: client
    for client in (
        Java2015,
        Java2016,
        Java2017,
        Java2018,
        Java2020April,
        Java2020July,
        Java2021,
        Java2022,
        Rust2024,
        Go2017,
        Sheepfold,
    )
}
