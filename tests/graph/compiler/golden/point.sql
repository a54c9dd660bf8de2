-- query ($id: ID!) { house(id: $id) { id title use } }
-- as: whole city
-- cost: at most 1 rows; 5 parameters
-- right: paper.house.read: the whole city

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($2 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($4 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($5 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT row_to_json(house__1) AS json
                          FROM (SELECT CAST($1 AS varchar) || replace(CAST(houses__1.id AS text)
                                                                    , '-'
                                                                    , '') AS id
                                     , houses__1.number AS title
                                     , CASE
                                         WHEN houses__1.use = 'home'
                                           THEN 'HOME'
                                         WHEN houses__1.use = 'shop'
                                           THEN 'SHOP'
                                       END AS use
                                FROM houses AS houses__1
                                WHERE houses__1.tenant_id = CAST($2 AS uuid)
                                  AND houses__1.id = CAST($3 AS uuid)) AS house__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
