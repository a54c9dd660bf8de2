-- { notices { nodes { text subject { ... on House { title } ... on Person { title } } } } }
-- as: whole city
-- cost: at most 60 rows; 3 parameters
-- right: paper.house.read: the whole city
-- right: paper.person.read: the whole city

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
  SELECT convert_to(CAST((SELECT row_to_json(notice_connection__1) AS json
                          FROM (SELECT page__1.list0 AS nodes
                                FROM (SELECT COALESCE(json_agg(node__1)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                      FROM (SELECT notices__1.text AS c0
                                                 , COALESCE((SELECT row_to_json(house__1) AS json
                                                             FROM (SELECT houses__1.number AS title
                                                                   FROM houses AS houses__1
                                                                   WHERE houses__1.tenant_id = CAST($1 AS uuid)
                                                                     AND houses__1.id = notices__1.house_id) AS house__1)
                                                          , (SELECT row_to_json(person__1) AS json
                                                             FROM (SELECT people__1.name AS title
                                                                   FROM people AS people__1
                                                                   WHERE people__1.tenant_id = CAST($1 AS uuid)
                                                                     AND people__1.id = notices__1.person_id) AS person__1)) AS c1
                                            FROM notices AS notices__1
                                            WHERE notices__1.tenant_id = CAST($1 AS uuid)
                                            ORDER BY notices__1.text ASC
                                                   , notices__1.id ASC
                                            LIMIT 20) AS notice__1
                                           INNER JOIN LATERAL (SELECT notice__1.c0 AS text
                                                                    , notice__1.c1 AS subject) AS node__1 ON TRUE) AS page__1) AS notice_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
