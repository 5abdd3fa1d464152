"""How a farm says on the local network that it is there, by multicast DNS."""

SERVICE_TYPE = "_sheepfold._tcp.local."
URL = "url"  # the property that holds the farm's address
