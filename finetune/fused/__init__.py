"""What makes training fast: packed minibatches, attention without padding, adapted layers in one step each."""
