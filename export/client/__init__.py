"""Clients of a served flow, over REST and gRPC.

    with RestClient("http://127.0.0.1:8501", "mine") as client:
        client.log_prob(x)
        client.sample(16, seed=0, temperature=0.7)

They need no model: they send what the server's signatures declare.
"""

from tfflows.export.client.errors import ServingError
from tfflows.export.client.grpc_client import GrpcClient
from tfflows.export.client.rest_client import RestClient

__all__ = ["GrpcClient", "RestClient", "ServingError"]
