"""`./dev chaos-processes`: a load with long streams while processes, files, keys and the store are ill-treated."""
