-- query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Named { title } } }
-- as: whole city
-- cost: at most 200 rows; 7 parameters
-- right: paper.house.read: the whole city
-- right: paper.person.read: the whole city

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($2 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($6 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($7 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT json_agg(COALESCE((SELECT row_to_json(house__1) AS json
                                                    FROM (SELECT CAST($1 AS varchar) || replace(CAST(houses__1.id AS text)
                                                                                              , '-'
                                                                                              , '') AS id
                                                               , houses__1.number AS title
                                                          FROM houses AS houses__1
                                                          WHERE houses__1.tenant_id = CAST($2 AS uuid)
                                                            AND houses__1.id = given__1.hous) AS house__1)
                                                 , (SELECT row_to_json(person__1) AS json
                                                    FROM (SELECT CAST($3 AS varchar) || replace(CAST(people__1.id AS text)
                                                                                              , '-'
                                                                                              , '') AS id
                                                               , people__1.name AS title
                                                          FROM people AS people__1
                                                          WHERE people__1.tenant_id = CAST($2 AS uuid)
                                                            AND people__1.id = given__1.pers) AS person__1)) ORDER BY given__1.place) AS json
                          FROM unnest(CAST($4 AS uuid[])
                                    , CAST($5 AS uuid[])) WITH ORDINALITY AS given__1 (hous, pers, place)) AS text)
                  , 'UTF8') AS r0
  FROM ctx
