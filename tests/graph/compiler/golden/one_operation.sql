-- { a: houses(first: 1) { totalCount } b: districts(first: 1) { nodes { title } } __typename }
-- as: whole city
-- cost: at most 2 rows; 3 parameters
-- right: paper.district.read: the whole city
-- right: paper.house.read: the whole city

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($1 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($2 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($3 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT row_to_json(house_connection__1) AS json
                          FROM (SELECT (SELECT count(*) AS total
                                        FROM houses AS houses__2
                                        WHERE houses__2.tenant_id = CAST($1 AS uuid)) AS "totalCount") AS house_connection__1) AS text)
                  , 'UTF8') AS r0
       , convert_to(CAST((SELECT row_to_json(district_connection__1) AS json
                          FROM (SELECT page__1.list0 AS nodes
                                FROM (SELECT COALESCE(json_agg(node__1)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                      FROM (SELECT districts__1.name AS c0
                                            FROM districts AS districts__1
                                            WHERE districts__1.tenant_id = CAST($1 AS uuid)
                                            ORDER BY districts__1.name ASC
                                                   , districts__1.id ASC
                                            LIMIT 1) AS district__1
                                           INNER JOIN LATERAL (SELECT district__1.c0 AS title) AS node__1 ON TRUE) AS page__1) AS district_connection__1) AS text)
                  , 'UTF8') AS r1
  FROM ctx
