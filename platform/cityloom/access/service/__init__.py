"""What can be done with accounts, roles, memberships, rules, clients and sessions."""
