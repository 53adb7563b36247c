"""What an operator watches: `/healthz` and `/metrics` on a loopback port. It shows no name of a person and no value of a call."""
