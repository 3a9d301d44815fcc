"""What can estimate flow: METHODS is the table of names, `FlowMethod` what all of them offer."""
