-- What people did to accounts other than their own: few among all events, and found when such a person is erased.
CREATE INDEX events_about_others ON events (actor_id) WHERE actor_id IS NOT NULL AND actor_id IS NOT user_id;
