"""What is asked in the benchmarks of reads: of the platform, and the same of each peer in its own words."""

from __future__ import annotations

PAGE_SIZE = 100
FAR_PAGE = 500
USE = "OWNED"
SEX = "FEMALE"

NESTED = """
query Nested($use: DwellingUse!) {
  dwellings(first: 100, where: {use: {eq: $use}}, orderBy: {by: NUMBER}) {
    nodes {
      id number unit floor use
      residents(first: 2) { nodes { id name sex birthYear relationship status phone identityNumber } }
    }
  }
}
"""
NESTED_PLAIN = """
query Nested($use: String!) {
  dwellings(first: 100, use: $use) {
    nodes {
      id number unit floor use
      residents(first: 2) { nodes { id name sex birthYear relationship status phone identityNumber } }
    }
  }
}
"""
#: The tenant is named although the policies say it: that is what makes PostGraphile fast here.
NESTED_POSTGRAPHILE = """
query Nested($tenant: UUID!, $use: String!) {
  dwellings: allDwellings(first: 100, condition: {tenantId: $tenant, use: $use}, orderBy: [NUMBER_ASC]) {
    nodes {
      id: rowId number unit floor use
      residents(first: 2) {
        nodes { id: rowId name sex birthYear relationship status phone: phoneMasked identityNumber: identityMasked }
      }
    }
  }
}
"""
#: PostGraphile's own way of adding a relation that is no foreign key: a function over the row, inlined by PostgreSQL.
RELATION_FOR_POSTGRAPHILE = """
CREATE OR REPLACE FUNCTION public.dwellings_residents(d public.dwellings) RETURNS SETOF public.residents
LANGUAGE sql STABLE AS $$
  SELECT r.* FROM public.residents r JOIN public.households h ON h.tenant_id = r.tenant_id AND h.id = r.household_id
  WHERE h.tenant_id = d.tenant_id AND h.dwelling_id = d.id AND r.tenant_id = d.tenant_id
  ORDER BY r.name, r.id
$$;
GRANT EXECUTE ON FUNCTION public.dwellings_residents TO cityloom_app;
-- PostGraphile calls `id` rowId as well.
DO $$
DECLARE found regclass;
BEGIN
  FOR found IN SELECT attrelid FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE attname = 'row_id' AND relkind = 'r' AND relnamespace = 'public'::regnamespace
  LOOP
    EXECUTE format('COMMENT ON COLUMN %s.row_id IS %L', found, '@name thing_row_id');
  END LOOP;
END $$
"""
POINT = "query Point($id: ID!) { node(id: $id) { ... on Resident { id name birthYear } } }"
POINT_PLAIN = "query Point($id: ID!) { node(id: $id) { id name birthYear } }"
POINT_POSTGRAPHILE = """
query Point($tenant: UUID!, $id: UUID!) {
  node: residentByTenantIdAndRowId(tenantId: $tenant, rowId: $id) { id: rowId name birthYear }
}
"""
PAGE = """
query Page($sex: Sex!, $after: String) {
  residents(first: 100, after: $after, where: {sex: {eq: $sex}}, orderBy: {by: NAME}) {
    %s nodes { id name sex birthYear } pageInfo { hasNextPage %s }
  }
}
"""
PAGE_POSTGRAPHILE = """
query Page($tenant: UUID!, $sex: String!, $offset: Int!) {
  residents: allResidents(first: 100, offset: $offset, condition: {tenantId: $tenant, sex: $sex}, orderBy: [NAME_ASC]) {
    %s nodes { id: rowId name sex birthYear } pageInfo { hasNextPage }
  }
}
"""
AGGREGATE = "query Aggregate { residentStats(by: [AREA], first: 1000) { keys count } }"
