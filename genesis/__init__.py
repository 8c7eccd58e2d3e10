"""Chain specifications, genesis state and predeployed contracts."""
