CREATE TABLE hive.web.page_views (
  view_time timestamp,
  user_id bigint
)
WITH (
  format = 'ORC',
  partitioned_by = ARRAY['user_id']
)
