"""Who may do what, where, and how much of it they see.

Owns accounts, departments, roles, memberships, API clients, sessions, identity providers and the rules of each tenant.
Words: a *permission* is `module.resource.action`; a *role* is granted permissions by rules (Casbin `p` and `g` lines);
a *membership* binds an account to a role within an area subtree, a department, the whole tenant, or the account's own
things. Invariants: deny wins, nothing stated is denied; a tenant always keeps an administrator who can sign in; nobody
grants more than they hold; a change holds in every process within a second, and without contact to the database for
five seconds everything is refused.
"""
