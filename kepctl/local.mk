# kepctl
